import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const saltBytes = 16
const keyBytes = 32

const derive = promisify<string, Buffer, number, Buffer>(scrypt)

/** `salt:key`, both base64url. */
export async function hashPassword (password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const key = await derive(password, salt, keyBytes)
  return `${salt.toString('base64url')}:${key.toString('base64url')}`
}

export async function matchesPassword (password: string, hash: string): Promise<boolean> {
  const [salt = '', key = ''] = hash.split(':')
  const expected = Buffer.from(key, 'base64url')
  const actual = await derive(password, Buffer.from(salt, 'base64url'), keyBytes)
  return expected.length === actual.length && timingSafeEqual(actual, expected)
}
