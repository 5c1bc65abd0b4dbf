/**
 * Accounts by e-mail: whoever signs in sends no token yet, so that a banned account could only be told apart after the
 * backend has let it in. The directory is learnt from sign-ins that succeeded, and asks the backend's accounts if it may.
 */
import type { Access } from '../bans/bans.js'
import type { BanBook, FindOptions } from '../bans/contract.js'
import type { AnswerObserver, Check, Exchange, ObserveAnswer } from '../exchange.js'
import { BodyTap } from '../tap/body-tap.js'
import { followPointer } from '../json-pointer.js'
import { BANNED_MESSAGE, type BanVerdict } from '../verdict/verdict.js'
import { foldEmail, type AccountDirectory, type AccountRule } from './contract.js'
import { loginEmail } from './login-email.js'

export { createAccountDirectory, createLearntAccounts } from './account-directory.js'

/** Sign-in answers that are larger teach nothing. */
const LARGEST_ANSWER = 64 * 1024
const LONGEST_ID = 256

export interface AccountCheckOptions {
  readonly rule: AccountRule
  readonly directory: AccountDirectory
  readonly book: Pick<BanBook, 'find' | 'durable'>
  readonly access: Pick<Access, 'isExemptUser'>
  /** False: only manual bans hold. */
  readonly automatic: boolean
}

/**
 * Refuses the sign-in of a banned account before the backend sees it. The answer says no more than that, since whoever
 * knows an e-mail must not learn why or for how long its owner is banned.
 */
export function createAccountCheck ({ rule, directory, book, access, automatic }: AccountCheckOptions): Check {
  const options: FindOptions = { manualOnly: !automatic }
  const judge = (exchange: Exchange, email: string, id: string | undefined): ReturnType<Check> => {
    if (id === undefined || access.isExemptUser({ id, email })) return undefined
    const ban = book.find([{ id }], '', exchange.receivedAt, options)
    if (ban === undefined) return undefined
    const written = book.durable(ban)
    return written === undefined ? refusal(ban.subject) : written.then(() => refusal(ban.subject))
  }
  return (exchange) => {
    const email = loginEmail(exchange, rule)
    if (email === undefined) return undefined
    const id = directory.idOf(email)
    return id instanceof Promise ? id.then((known) => judge(exchange, email, known)) : judge(exchange, email, id)
  }
}

/** Learns from the answer to a sign-in whose account its e-mail is. */
export function createAccountLearner (rule: AccountRule, directory: AccountDirectory): ObserveAnswer {
  return (): AnswerObserver => {
    let tap: BodyTap | undefined
    return {
      onHead (status, headers) {
        if (status >= 200 && status < 300) tap = new BodyTap(headers, LARGEST_ANSWER)
        return { body: tap !== undefined }
      },
      onData (chunk) { tap?.push(chunk) },
      onEnd (outcome) {
        const reading = outcome === 'complete' ? tap?.read() : undefined
        if (reading?.kind !== 'json') return
        const email = followPointer(reading.value, rule.learnEmail)
        const id = followPointer(reading.value, rule.learnId)
        if (typeof email === 'string' && typeof id === 'string' && id !== '' && id.length <= LONGEST_ID) {
          directory.learn(foldEmail(email), id)
        }
      },
    }
  }
}

function refusal (subject: string): BanVerdict {
  return {
    kind: 'ban',
    rule: 'ban',
    status: 403,
    message: BANNED_MESSAGE,
    subject,
    reason: 'account',
    expiresAt: null,
    ofUser: false,
    bare: true,
  }
}
