/** The target of a request, taken apart once. */
export interface Target {
  /** Origin-form as it is forwarded: path and query in the client's own spelling. */
  readonly raw: string
  /** Path as sent: never decoded, starts with `/`. */
  readonly path: string
  /** Query as sent, without the `?`; empty when there is none. */
  readonly query: string
  /** Authority of an absolute-form target: it outranks the Host header. */
  readonly authority: string | undefined
}
