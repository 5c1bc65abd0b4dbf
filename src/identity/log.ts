/** What the room says of itself. It never says a credential. */
export interface IdentityLog {
  warn (facts: object, message: string): void
  info (facts: object, message: string): void
}
