/** What a `Content-Type` says of a body. */
export interface ContentType {
  /** Lower case, without parameters; empty when the body claims to be nothing. */
  readonly media: string
  /** Lower case. */
  readonly charset: string | undefined
  readonly boundary: string | undefined
}

const PARAMETER = /^[ \t]*([\w-]+)=(?:"([^"\\]*)"|([^\s"]*))[ \t]*$/
const IS_CHARSET = /^[ \t]*charset=/i
const SEVERAL = /[\s,]/

/** Takes a content type apart. Undefined: one backend might take it otherwise than another. */
export function parseContentType (header = ''): ContentType | undefined {
  const [type = '', ...parameters] = header.split(';')
  const media = type.trim().toLowerCase()
  // Some backends would read only the first of `multipart/form-data, text/plain`.
  if (SEVERAL.test(media)) return undefined
  let charset: string | undefined
  let boundary: string | undefined
  for (const written of parameters) {
    if (written.trim() === '') continue
    const [, name, quoted, bare = quoted] = PARAMETER.exec(written) ?? []
    const isCharset = name?.toLowerCase() === 'charset'
    const isBoundary = name?.toLowerCase() === 'boundary'
    // Others may be written as they like: nothing depends on them.
    if (!isCharset && !isBoundary && !/charset|boundary/i.test(written)) continue
    if (bare === undefined || (isCharset ? charset : boundary) !== undefined) return undefined
    if (isCharset) charset = bare.toLowerCase()
    else if (isBoundary) boundary = bare
    else return undefined
  }
  return { media, charset, boundary }
}

/** The same type for a body that is UTF-8 now. */
export function withUtf8Charset (header: string): string {
  return header.split(';').map((part) => IS_CHARSET.test(part) ? ' charset=utf-8' : part).join(';')
}
