/** The public face of the room. */
export { createAccess, type Access } from './access.js'
export { createAddressUsers, type AddressUsers } from './address-users.js'
export { createBanBook } from './ban-book.js'
export { createAllowCheck, createBanCheck } from './ban-check.js'
export { createBanPlacer } from './ban-placer.js'
export { DURATION_EXPECTED, parseBanDuration } from './duration.js'
export { banSubject, canonicalSubject, covers } from './subjects.js'
