/** The door to sign in at, and what both door and room need to tell people. Runs last: it opens the page. */
export const doorScript = String.raw`
const door = { isNew: false }

function tell (notice, text) {
  notice.textContent = text
  notice.hidden = text === ''
}

/** Runs what a person asked for; what goes wrong is told, not thrown. */
async function attempt (notice, action) {
  tell(notice, '')
  try { await action() } catch (error) {
    if (error.status === 401) return showDoor('Please sign in again.')
    tell(notice, error.message)
  }
}

function on (id, event, notice, action) {
  byId(id).addEventListener(event, (occurred) => {
    if (event === 'submit') occurred.preventDefault()
    return attempt(byId(notice), action)
  })
}

function showDoor (text = '') {
  byId('room').hidden = true
  byId('door').hidden = false
  tell(byId('door-notice'), text)
  byId('email').focus()
}

function switchDoor () {
  door.isNew = !door.isNew
  byId('name-row').hidden = !door.isNew
  byId('name').required = door.isNew
  byId('password').autocomplete = door.isNew ? 'new-password' : 'current-password'
  byId('door-submit').textContent = door.isNew ? 'Create the account' : 'Sign in'
  byId('door-switch').textContent = door.isNew ? 'I have an account' : 'Create an account'
}

async function enter () {
  const [email, password, name] = ['email', 'password', 'name'].map((id) => byId(id).value)
  if (door.isNew) await call('/api/auth/register', { method: 'POST', body: { email, password, name }, isRetry: true })
  const entered = await call('/api/auth/login', { method: 'POST', body: { email, password }, isRetry: true })
  session.token = entered.token
  session.user = entered.user
  byId('password').value = ''
  if (location.pathname === '/login') history.replaceState(null, '', '/')
  await showRoom()
}

async function leave () {
  await send('/api/auth/logout', { method: 'POST' }).catch(() => {})
  session.token = undefined
  startNew()
  byId('chat-list').replaceChildren()
  showDoor()
}

async function offerDemoAccount () {
  const { demoAccount } = await call('/api/config', { isRetry: true })
  if (demoAccount === undefined) return
  const button = byId('door-demo')
  button.hidden = false
  button.addEventListener('click', () => {
    if (door.isNew) switchDoor()
    byId('email').value = demoAccount.email
    byId('password').value = demoAccount.password
    byId('door-submit').focus()
  })
}

async function openPage () {
  offerDemoAccount().catch(() => {})
  const wasRefused = new URLSearchParams(location.search).get('error') === 'auth_failed'
  const why = wasRefused ? 'Signing in was refused: too many attempts, or a ban. Please try again later.' : ''
  try {
    if (!wasRefused && await refresh()) return await showRoom()
    showDoor(why)
  } catch (error) {
    showDoor(error.message)
  }
}

on('door-form', 'submit', 'door-notice', enter)
on('sign-out', 'click', 'notice', leave)
byId('door-switch').addEventListener('click', switchDoor)
openPage()
`
