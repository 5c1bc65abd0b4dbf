import type { Told } from './decode-mistakes.js'

const HOST = String.raw`(?:\[[\da-f:.]+\]|[^\s/?#@:,[\]]+)`
const OPTIONS = 'an address with options that the MongoDB driver knows'
const plain = new RegExp(String.raw`^mongodb://(?:[^/?#@]*@)?${HOST}(?::\d+)?(?:,${HOST}(?::\d+)?)*(?:[/?][^#]*)?$`, 'i')
const seedList = new RegExp(String.raw`^mongodb\+srv://(?:[^/?#@]*@)?${HOST}(?:[/?][^#]*)?$`, 'i')

/** What is wrong with an address of MongoDB as far as its form shows; undefined: nothing. Never shows a part of it. */
export function mistakeInMongoUri (text: string): Told | undefined {
  if (plain.test(text) || seedList.test(text)) return undefined
  const scheme = /^[a-z][a-z\d+.-]{0,30}:\/\//i.exec(text)?.[0].toLowerCase()
  if (scheme !== 'mongodb://' && scheme !== 'mongodb+srv://') {
    const found = scheme === undefined ? 'no address' : `the scheme ${scheme}`
    return { found, expected: 'mongodb:// or mongodb+srv:// and an address' }
  }
  const hosts = scheme === 'mongodb://' ? 'HOST[:PORT][,HOST[:PORT]…]' : 'HOST'
  const escaped = 'with :, /, ?, #, [, ] and @ in user name and password percent-encoded'
  return { found: 'an address that cannot be read', expected: `${scheme}[USER:PASSWORD@]${hosts}[/DATABASE], ${escaped}` }
}

/** What the driver would not start with: its options are its own. It connects to nobody here. Never shows a password. */
export async function mistakeInOptions (uri: string): Promise<Told | undefined> {
  const { MongoClient } = await import('mongodb')
  try {
    await new MongoClient(uri).close()
    return undefined
  } catch (error) {
    const isSaid = error instanceof Error && error.name === 'MongoParseError' && !hasCredentials(uri, error.message)
    return { found: isSaid ? `an address of which the driver says: ${error.message}` : 'an address that the driver refuses', expected: OPTIONS }
  }
}

function hasCredentials (uri: string, message: string): boolean {
  const [, credentials = ''] = /\/\/([^@/]*)@/.exec(uri) ?? []
  return credentials.split(':').some((part) => part !== '' && message.includes(part))
}

/** Hosts and database, without credentials and options. */
export function mongoPlace (uri: string): string {
  const [place = ''] = uri.replace(/^[^:]+:\/\//, '').split('?')
  return place.slice(place.lastIndexOf('@') + 1)
}
