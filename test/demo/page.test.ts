import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { startChromium } from '../helpers/chromium.js'
import { startDemo, type Demo } from './demo.js'

const account = { email: 'demo@example.com', name: 'Demo', password: 'drawbridge' }

/** A page of its own session; whatever goes wrong in it fails the test. */
async function openPage (t: Test, demo: Demo, path = '/'): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 720 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', (error) => t.fail(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Uncaught/.test(message.text())) t.fail(message.text())
  })
  await page.goto(demo.url + path)
  return page
}

async function signIn (page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Fill in the demo account' }).click()
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Message', { exact: true }).waitFor()
}

async function say (page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

const answers = (page: Page) => page.locator('#log .message:not(.mine):not(.writing):not(.aside)')
const notice = (page: Page) => page.locator('#notice')

const browser = await startChromium(t)

t.test('a newcomer registers by keyboard, says something and watches the answer grow', async (t) => {
  const demo = await startDemo(t, { account, tokenDelayMs: 20 })
  const page = await openPage(t, demo)
  await page.getByRole('button', { name: 'Create an account' }).click()
  await page.getByLabel('Name').fill('Ada')
  await page.keyboard.press('Tab')
  await page.keyboard.type('ada@example.com')
  await page.keyboard.press('Tab')
  await page.keyboard.type('correct horse')
  await page.keyboard.press('Enter')
  await page.getByLabel('Message', { exact: true }).waitFor()
  t.equal(await page.evaluate('document.activeElement.id'), 'text', 'the message box has the focus')

  await say(page, '<img src=x onerror=alert(1)> long')
  await page.locator('.writing').waitFor()
  const growing = await page.locator('.writing').textContent()
  await answers(page).waitFor()
  const whole = await answers(page).textContent() ?? ''
  t.ok(whole.startsWith(growing ?? '') && whole.length > (growing ?? '').length, 'the answer grew')
  t.equal(await page.locator('.mine').textContent(), '<img src=x onerror=alert(1)> long')
  t.equal(await page.locator('#log img').count(), 0, 'what people write stays text')

  await say(page, 'and once more')
  await answers(page).nth(1).waitFor()
  await page.reload()
  const earlier = page.getByRole('button', { name: '<img src=x' })
  await earlier.click()
  await answers(page).nth(1).waitFor()
  t.equal(await page.locator('#log .message').count(), 4, 'a reload keeps the session and the conversation')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Password').waitFor()
  await page.reload()
  await page.getByLabel('Password').waitFor()
})

t.test('an answer can be stopped, and is taken up again after a reload', async (t) => {
  const demo = await startDemo(t, { account })
  const page = await openPage(t, demo)
  await signIn(page)
  await say(page, '[slow:60] first')
  await page.getByText('Here is').waitFor()
  await page.reload()
  await page.getByRole('button', { name: '[slow:60]' }).click()
  await page.getByRole('button', { name: 'Stop' }).click()
  await answers(page).waitFor()
  t.match(await answers(page).textContent(), /^Here is/)
  t.equal(await page.getByRole('button', { name: 'Stop' }).count(), 0)

  await page.setInputFiles('#file', { name: 'späte Notiz.txt', mimeType: 'text/plain', buffer: Buffer.from('12345') })
  await page.getByText('Uploaded späte Notiz.txt, 5 bytes').waitFor()
})

t.test('an expired token is renewed unseen; a session that is gone leads to the door', async (t) => {
  let now = Date.now()
  const demo = await startDemo(t, { account, clock: () => now })
  const page = await openPage(t, demo)
  await signIn(page)
  now += 20 * 60_000
  await say(page, 'still here')
  await answers(page).waitFor()
  t.equal(demo.lines.filter(({ url }) => url === '/api/auth/refresh').length, 2, 'one at the start, one for the expiry')
  now += 30 * 24 * 60 * 60_000
  await say(page, 'and now')
  await page.getByText('Please sign in again.').waitFor()
})

t.test('refusals of the gateway become sentences', async (t) => {
  const demo = await startDemo(t, { account })
  const page = await openPage(t, demo)
  await signIn(page)
  const endsAt = new Date(Date.now() + 2 * 60 * 60_000)
  const banned = 'Your account has been temporarily banned due to violations of our service.'
  const cases: ReadonlyArray<[number, object | string, RegExp]> = [
    [429, { message: '', type: 'message_limit', max: 40, windowInMinutes: 1, retryAfterSeconds: 23 },
      /^You hit the message limit: 40 per 1 minute\. Try again in 23 s\.$/],
    [429, { type: 'concurrent', limit: 2, pendingRequests: 2 }, /^Too many messages at once \(limit 2\)/],
    [403, { message: 'Illegal request', type: 'non_browser' }, /^Illegal request: this does not look like a browser/],
    [403, { message: banned, type: 'ban', reason: 'message_limit', expiresAt: endsAt.toISOString() },
      /banned.*Reason: message limit\. It ends at \d/],
    [403, { message: banned, type: 'ban', reason: 'denied', expiresAt: null }, /does not end by itself/],
    [429, { message: 'Too many login attempts, please try again after 5 minutes.', retryAfterSeconds: 300 },
      /^Too many login attempts.* Try again in 5 minutes\.$/],
    [502, { message: 'The chat service is not reachable right now.' }, /^The chat service is not reachable/],
    [504, '<h1>no JSON</h1>', /^The server answered 504\.$/],
  ]
  for (const [status, body, sentence] of cases) {
    await page.route('**/api/agents/chat/demo', (route) =>
      route.fulfill({ status, body: typeof body === 'string' ? body : JSON.stringify(body) }))
    await say(page, 'hello')
    await notice(page).filter({ hasText: sentence }).waitFor({ timeout: 5_000 })
      .catch(async () => t.match(await notice(page).textContent(), sentence))
    t.equal(await page.getByLabel('Message', { exact: true }).inputValue(), 'hello', 'what was typed is not lost')
  }
  t.equal(await notice(page).getAttribute('role'), 'alert')

  await page.route('**/api/auth/refresh', (route) =>
    route.fulfill({ status: 403, body: JSON.stringify({ message: banned, type: 'ban', expiresAt: null }) }))
  await page.reload()
  await page.locator('#door-notice').filter({ hasText: banned }).waitFor()
})

t.test('the login page says why the gateway sent one there', async (t) => {
  const demo = await startDemo(t, { account })
  const page = await openPage(t, demo, '/login?redirect=false&error=auth_failed')
  await page.getByText('Signing in was refused').waitFor()
  await signIn(page)
  t.equal(new URL(page.url()).pathname, '/')
})

t.test('it fits a phone, in light and in dark', async (t) => {
  const demo = await startDemo(t, { account, tokenDelayMs: 0 })
  const page = await openPage(t, demo)
  const folder = process.env['SCREENSHOTS']
  await signIn(page)
  await say(page, `A ${'w'.repeat(200)} and something long`)
  await answers(page).waitFor()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const [width, height] of [[1100, 720], [360, 640]] as const) {
      await page.setViewportSize({ width, height })
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, 'nothing sticks out')
      t.ok(await page.getByRole('button', { name: 'Send' }).isVisible())
      if (folder !== undefined) await page.screenshot({ path: `${folder}/room-${colorScheme}-${width}.png` })
    }
  }
  await page.getByRole('button', { name: 'Sign out' }).click()
  for (const width of [1100, 360]) {
    await page.setViewportSize({ width, height: 640 })
    if (folder !== undefined) await page.screenshot({ path: `${folder}/door-${width}.png` })
  }
  const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const dark = await background()
  await page.emulateMedia({ colorScheme: 'light' })
  t.not(await background(), dark)
})
