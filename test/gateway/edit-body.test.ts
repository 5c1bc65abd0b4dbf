import t from 'tap'
import type { Exchange } from '../../src/exchange.js'
import { editBody, editMessage } from '../../src/gateway/edit-body.js'
import type { Edit } from '../../src/rewriting/contract.js'
import { exchangeOf } from '../limits/exchanges.js'

const EDITS: Edit[] = [{ pointer: ['text'], value: 'other' }]
const TEXT = '{ "text" : "one", "é": 1.0 }'
const EDITED = '{ "text" : "other", "é": 1.0 }'

function exchange (more: Partial<Exchange> = {}): Exchange {
  return { ...exchangeOf(), json: JSON.parse(TEXT) as unknown, edits: EDITS, ...more }
}

t.test('a message is edited in whichever encoding it came, and goes on in UTF-8', async (t) => {
  const edited = async (data: Buffer, binary: boolean) => {
    const judged = await editMessage(exchange(), { data, binary })
    return judged?.replace.toString()
  }
  t.equal(await edited(Buffer.from(TEXT), false), EDITED)
  t.equal(await edited(Buffer.from(TEXT), true), EDITED)
  t.equal(await edited(Buffer.from(`\ufeff${TEXT}`), true), `\ufeff${EDITED}`)
  t.equal(await edited(Buffer.from(TEXT, 'utf16le'), true), EDITED)
  t.equal(await edited(Buffer.from(TEXT, 'utf16le').swap16(), true), EDITED)
  const long = TEXT.replace('1.0', JSON.stringify('x'.repeat(200_000)))
  t.equal(await edited(Buffer.from(long), false), long.replace('one', 'other'))
  const message = { data: Buffer.from(TEXT), binary: false }
  t.equal(editMessage(exchange({ edits: [] }), message), undefined)
  t.equal(editMessage(exchange({ json: undefined }), message), undefined, 'what is no JSON goes on as it came')
})

t.test('a body that cannot be edited faithfully is refused', async (t) => {
  const fault = async (body: Buffer, headers: Exchange['headers']) => editBody(exchange({ body, headers }))
  const json = { 'content-type': 'application/json' }
  t.equal(await fault(Buffer.from(TEXT, 'latin1'), json), 'INVALID_JSON')
  t.equal(await fault(Buffer.from(TEXT), { ...json, 'content-encoding': 'gzip' }), 'MALFORMED_REQUEST')
  t.equal(await fault(Buffer.from(TEXT), { ...json, 'content-encoding': 'snappy' }), 'UNSUPPORTED_ENCODING')
  t.equal(await fault(Buffer.from(TEXT), { 'content-type': 'application/json; charset=koi8-r' }), 'UNSUPPORTED_ENCODING')
  t.equal(await fault(Buffer.from(TEXT), { 'content-type': 'application/json, text/plain' }), 'MALFORMED_REQUEST')
})
