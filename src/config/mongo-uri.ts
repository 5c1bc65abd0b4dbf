import type { Told } from './decode.js'

const HOST = String.raw`(?:\[[\da-f:.]+\]|[^\s/?#@:,[\]]+)`
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

/** Hosts and database, without credentials and options. */
export function mongoPlace (uri: string): string {
  const [place = ''] = uri.replace(/^[^:]+:\/\//, '').split('?')
  return place.slice(place.lastIndexOf('@') + 1)
}
