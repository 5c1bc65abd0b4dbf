const RESOURCE = '/chat/completions'
/** Of a bare host. A path that somebody wrote is taken as it is: not every server has a version in it. */
const USUAL_PATH = '/v1'

/**
 * Where an OpenAI-compatible server takes chats, whatever of it its operator has written: `https://host`,
 * `https://host/v1/`, `https://host/api/openai/v1`, or the whole of it.
 */
export function completionsUrl (base: string): string {
  const url = new URL(base)
  let path = url.pathname
  while (path.endsWith('/')) path = path.slice(0, -1)
  if (path.endsWith(RESOURCE)) path = path.slice(0, -RESOURCE.length)
  url.pathname = (path === '' ? USUAL_PATH : path) + RESOURCE
  return url.href
}
