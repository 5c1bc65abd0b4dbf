/** The room's door: what requests reserve of token limits, and how it is settled. */
export { createTokenLedger, type TokenLedger } from './ledger.js'
export { modelOf } from './model.js'
export { createReserve, type Reserve } from './reserve.js'
