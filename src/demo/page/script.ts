import { doorScript } from './door-script.js'
import { roomScript } from './room-script.js'
import { sessionScript } from './session-script.js'
import { streamScript } from './stream-script.js'

/** What runs in the browser. It is JavaScript in strings, because the page is one file. */
export const pageScript = `'use strict'\n${sessionScript}${streamScript}${roomScript}${doorScript}`
