/** The public face of the room. */
export { inForce, minutesLeft } from './ladder.js'
