/** The room to chat in. What people and the backend say goes in as text, never as markup. */
export const roomScript = String.raw`
const room = { conversationId: undefined, lastMessageId: undefined, answering: undefined }

async function showRoom () {
  byId('door').hidden = true
  byId('room').hidden = false
  byId('who').textContent = session.user.email
  byId('chats').open = matchMedia('(min-width: 60rem)').matches
  byId('text').focus()
  await attempt(byId('notice'), listChats)
}

async function listChats () {
  const { conversations } = await call('/api/convos')
  byId('chat-list').replaceChildren(...conversations.map(chatItem))
}

function chatItem ({ conversationId, title }) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = title
  if (conversationId === room.conversationId) button.setAttribute('aria-current', 'true')
  button.addEventListener('click', () => attempt(byId('notice'), () => openChat(conversationId)))
  const item = document.createElement('li')
  item.append(button)
  return item
}

function startNew () {
  Object.assign(room, { conversationId: undefined, lastMessageId: undefined })
  byId('log').replaceChildren()
  setAnswering(undefined)
}

async function openChat (conversationId) {
  const messages = await call('/api/messages/' + encodeURIComponent(conversationId))
  startNew()
  room.conversationId = conversationId
  for (const { text, isCreatedByUser } of messages) show(text, isCreatedByUser ? 'mine' : '')
  room.lastMessageId = messages.at(-1)?.messageId
  await listChats()
  const { active } = await call('/api/agents/chat/status/' + encodeURIComponent(conversationId))
  if (active) await follow(conversationId, true)
}

function show (text, kind) {
  const log = byId('log')
  const message = document.createElement('div')
  message.className = 'message ' + kind
  message.textContent = text
  log.append(message)
  log.scrollTop = log.scrollHeight
  return message
}

/** One answer at a time in a conversation; another conversation may have its own. */
function setAnswering (streamId) {
  room.answering = streamId
  byId('stop').hidden = streamId === undefined
  byId('send').disabled = streamId !== undefined
  byId('log').ariaBusy = String(streamId !== undefined)
}

async function say () {
  const text = byId('text').value.trim()
  if (text === '' || room.answering !== undefined) return
  const messageId = crypto.randomUUID?.() ?? String(Date.now())
  const body = {
    text, messageId, clientRequestId: messageId,
    conversationId: room.conversationId ?? null, parentMessageId: room.lastMessageId ?? null,
  }
  const { streamId } = await call('/api/agents/chat/demo', { method: 'POST', body })
  byId('text').value = ''
  show(text, 'mine')
  room.conversationId = streamId
  await follow(streamId, false)
  await listChats()
}

/** The answer grows on the screen only while its conversation is the one shown. */
async function follow (streamId, resume) {
  const message = show('', 'writing')
  const log = byId('log')
  setAnswering(streamId)
  try {
    const final = await followAnswer(streamId, { resume, onText: (text) => {
      const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80
      message.textContent = text
      if (isAtEnd) log.scrollTop = log.scrollHeight
    } })
    // None: the answer had ended before we looked.
    const answer = final?.responseMessage ?? (await call('/api/messages/' + encodeURIComponent(streamId))).at(-1)
    message.textContent = answer.text
    if (room.conversationId === streamId) room.lastMessageId = answer.messageId
  } finally {
    message.classList.remove('writing')
    if (room.answering === streamId) setAnswering(undefined)
  }
}

async function attach () {
  const file = byId('file').files[0]
  if (file === undefined) return
  const form = new FormData()
  form.append('endpoint', 'demo')
  form.append('file', file, encodeURIComponent(file.name))
  byId('file').value = ''
  const { filename, bytes } = await call('/api/files', { method: 'POST', body: form })
  show('Uploaded ' + filename + ', ' + bytes.toLocaleString() + ' bytes', 'aside')
}

on('composer', 'submit', 'notice', say)
on('file', 'change', 'notice', attach)
on('stop', 'click', 'notice', () =>
  call('/api/agents/chat/abort', { method: 'POST', body: { streamId: room.answering } }))
on('new-chat', 'click', 'notice', async () => {
  startNew()
  await listChats()
  byId('text').focus()
})
byId('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  byId('composer').requestSubmit()
})

`
