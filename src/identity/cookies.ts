/**
 * Values of every cookie of that name in a Cookie header, in order: browsers send several when paths or
 * domains differ, and which of them a backend takes is its own affair.
 * Quotes are cut off and percent-encoding is decoded, as backends do; what cannot be decoded stays as it is.
 */
export function cookieValues (header: string, name: string): string[] {
  const values: string[] = []
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    values.push(decodeText(unquote(pair.slice(equals + 1).trim())))
  }
  return values
}

/** Percent-decoded, or as it is when it cannot be. */
export function decodeText (text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function unquote (text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
