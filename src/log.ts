/** What the rooms say to the operator. pino's loggers fit; rooms know no more of it. */
export interface Log {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}
