const BYTES = 1024
const ITEMS = 17

/** The backend's answer to everything: 1 KiB of JSON like a conversation. */
export const ANSWER = padded(Array.from({ length: ITEMS }, (_, n) => ({ n, role: 'assistant', text: 'lorem ipsum dolor' })))

function padded (items) {
  const answer = { id: 'c_01', object: 'conversation', title: 'A fixed reply', items, pad: '' }
  return JSON.stringify({ ...answer, pad: 'x'.repeat(BYTES - JSON.stringify(answer).length) })
}
