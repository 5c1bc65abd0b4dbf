import { createHmac } from 'node:crypto'

export const CAT_SECRET = 'the secret of a cat that is not all there'

/** A token as either generation of the Cat makes it (1.x: permissions, 2.x: roles), good for a day of the test's clock. */
export function catToken (id: string, now = Date.now()): string {
  const claims = {
    sub: id,
    username: 'alice',
    permissions: { CONVERSATION: ['WRITE'] },
    roles: ['user'],
    custom: {},
    exp: Math.floor(now / 1000) + 86_400,
  }
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signed}.${createHmac('sha256', CAT_SECRET).update(signed).digest('base64url')}`
}
