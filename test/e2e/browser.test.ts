import t from 'tap'
import { demoAccount } from '../../src/demo/demo-account.js'
import { startDemo } from '../demo/demo.js'
import { startChromium } from '../helpers/chromium.js'
import { startProduct } from '../helpers/product.js'

t.test('in a real browser: a person chats, is limited and reads why, is banned and sees until when', async (t) => {
  const demo = await startDemo(t, { account: demoAccount })
  const product = await startProduct(t, { upstream: demo.url, policy: 'limiters: { messageIp: { max: 1 } }\n' })
  const browser = await startChromium(t)
  const page = await browser.newPage()
  await page.goto(product.url)
  await page.getByLabel('E-mail').first().fill(demoAccount.email)
  await page.getByLabel('Password').first().fill(demoAccount.password)
  await page.getByRole('button', { name: /sign in/i }).first().click()
  const box = page.getByRole('textbox', { name: /message/i })
  await box.fill('hello')
  await box.press('Enter')
  await page.getByText('hello').first().waitFor()
  await box.fill('again')
  await box.press('Enter')
  await page.getByText(/message limit/i).waitFor({ timeout: 10_000 })

  await fetch(`${product.adminUrl}/api/v1/bans`, {
    method: 'POST',
    headers: { authorization: `Bearer ${product.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ip: '127.0.0.1', duration: '1h' }),
  })
  const answer = await page.goto(product.url)
  t.equal(answer?.status(), 403)
  await page.getByText(/temporarily banned/).waitFor()
  await page.getByText(/Time left: (1 h|59 min)/).waitFor()
  product.clock.advance(3_600_001)
  t.equal((await page.goto(product.url))?.status(), 200, 'after its time they chat on')
})
