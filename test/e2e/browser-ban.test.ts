import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { demoAccount } from '../../src/demo/demo-account.js'
import { startDemo } from '../demo/demo.js'
import { startChromium } from '../helpers/chromium.js'
import { startProduct, type TestClock } from '../helpers/product.js'

const banSeconds = 12
/** The fourth message of a minute is the second violation, and that is a ban. */
const env = { MESSAGE_IP_MAX: '2', BAN_INTERVAL: '2', BAN_DURATION: `${banSeconds}s` }

/** Runs as the browser's own, whose page counts down. */
function runningClock (): TestClock {
  let ahead = 0
  return Object.assign(() => Date.now() + ahead, { advance: (ms: number) => { ahead += ms } })
}

async function startPage (t: Test, clock: TestClock): Promise<Page> {
  const demo = await startDemo(t, { account: demoAccount })
  const product = await startProduct(t, { upstream: demo.url, env, clock })
  const page = await (await startChromium(t)).newPage()
  await page.goto(product.url)
  return page
}

async function signIn (page: Page): Promise<void> {
  await page.getByLabel('E-mail').fill(demoAccount.email)
  await page.getByLabel('Password').fill(demoAccount.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Message', { exact: true }).waitFor()
}

async function say (page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

const answers = (page: Page) => page.locator('#log .message:not(.mine):not(.writing)')

t.test('a person who goes on when limited is banned, sees the time run out, and chats on', async (t) => {
  const clock = runningClock()
  const page = await startPage(t, clock)
  await signIn(page)
  for (const [nth, text] of ['one', 'two'].entries()) {
    await say(page, text)
    await answers(page).nth(nth).waitFor()
  }
  await say(page, 'three')
  await page.getByText('You hit the message limit: 2 per').waitFor()
  const again = page.waitForResponse((response) => response.status() === 429)
  await say(page, 'four')
  await again
  await say(page, 'five')
  await page.getByText(/temporarily banned.*Reason: message limit/).waitFor()
  t.equal(await page.getByLabel('Message', { exact: true }).inputValue(), 'five', 'what was typed is not lost')

  const refused = await page.reload()
  t.equal(refused?.status(), 403)
  await page.getByText('Reason: too many messages in a short time.').waitFor()
  const left = async () => Number(/Time left: (\d+) s/.exec(await page.getByRole('timer').innerText())?.[1])
  const first = await left()
  t.ok(first >= 1 && first <= banSeconds, `${first} s left`)
  await page.getByText(`Time left: ${first - 1} s`).waitFor()
  await page.getByText('You can try again now.').waitFor()
  await page.getByRole('link', { name: 'Back to the chat' }).click()

  // His session ended with the ban. The minute of his messages is not over by itself yet.
  await signIn(page)
  clock.advance(60_000)
  await say(page, 'here again')
  await answers(page).first().waitFor()
  t.match(await answers(page).first().textContent(), /here again/)
})
