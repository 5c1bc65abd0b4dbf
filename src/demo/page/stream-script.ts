/** An answer as server-sent events. fetch, because EventSource cannot carry a token. */
export const streamScript = String.raw`
const maxReconnects = 5
const reconnectDelayMs = 1000

/**
 * Follows an answer to its end and resolves with its last frame, or undefined if it had ended before;
 * a cut line is taken up again.
 * onText gets the whole text so far. Rejects with a Refusal or the backend's own error.
 */
async function followAnswer (streamId, { onText, resume = false }) {
  const answer = { text: '', final: undefined }
  for (let attempt = 0; attempt <= maxReconnects; attempt++) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, reconnectDelayMs))
    const query = resume || attempt > 0 ? '?resume=true' : ''
    const response = await sendAgain('/api/agents/chat/stream/' + encodeURIComponent(streamId) + query)
      .catch(() => undefined)
    if (response === undefined || response.status >= 500) continue
    if (response.status === 404) return undefined
    if (!response.ok) throw await refusalOf(response)
    await readEvents(response, (event) => takeEvent(event, answer, onText)).catch((error) => {
      if (error instanceof AnswerError) throw error
    })
    if (answer.final !== undefined) return answer.final
  }
  throw new Error('The connection was lost.')
}

class AnswerError extends Error {}

async function sendAgain (path) {
  const response = await send(path)
  return response.status === 401 && await refresh() ? send(path) : response
}

function takeEvent ({ name, data }, answer, onText) {
  if (name === 'error') throw new AnswerError(String(data.error ?? data.text ?? data.message ?? 'The answer broke off.'))
  if (data.sync) answer.text = data.resumeState.aggregatedContent.map((part) => part.text).join('')
  else if (data.event === 'on_message_delta') answer.text += data.data.delta.content.map((part) => part.text).join('')
  else if (data.final) {
    answer.final = data
    answer.text = data.responseMessage.text
  } else return
  onText(answer.text)
}

async function readEvents (response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let pending = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const blocks = (pending + value).split('\n\n')
    pending = blocks.pop()
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event !== undefined) take(event)
    }
  }
}

function parseEvent (block) {
  const lines = block.split('\n')
  const field = (name) => lines.filter((line) => line.startsWith(name + ': ')).map((line) => line.slice(name.length + 2))
  const data = field('data').join('\n')
  return data === '' ? undefined : { name: field('event')[0] ?? 'message', data: JSON.parse(data) }
}
`
