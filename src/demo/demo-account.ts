import type { NewAccount } from './users.js'

/** Known to everybody: the demo keeps nothing worth a secret, and the curl lines need no editing. */
export const demoAccount: NewAccount = {
  email: 'demo@example.com',
  name: 'Demo',
  password: 'drawbridge',
}
