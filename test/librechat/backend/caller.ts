import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { createHash } from 'node:crypto'
import type { Issuer } from './issuer.js'
import type { World } from './world.js'

const bearer = 'Bearer '

/** Finds out who calls; leaves everybody else to `requireUser`. */
export function identify (world: World, issuer: Issuer | undefined): RequestHandler {
  return async (request, response, next) => {
    const header = request.headers.authorization ?? ''
    const token = header.startsWith(bearer) ? header.slice(bearer.length) : ''
    response.locals['user'] = issuer === undefined ? await accountOf(world, token) : await memberOf(issuer, token)
    next()
  }
}

/** 401 as the app's passport answers it. */
export function requireUser (_request: Request, response: Response, next: NextFunction): void {
  if (response.locals['user'] === undefined) response.status(401).send('Unauthorized')
  else next()
}

/** Hanzo's chat takes guests too, known by their address (reference librechat.md §6). */
export function requireUserOrGuest (request: Request, response: Response, next: NextFunction): void {
  response.locals['user'] ??= `guest_${createHash('sha256').update(request.ip ?? '').digest('hex').slice(0, 32)}`
  next()
}

/** The user's id. Behind `requireUser` only. */
export function userOf (response: Response): string {
  return response.locals['user'] as string
}

async function accountOf ({ tokens, accounts, mood }: World, token: string): Promise<string | undefined> {
  const claims = token === '' ? undefined : await tokens.read('access', token)
  const id = claims?.['id']
  const isCurrent = Number(claims?.['iat']) * 1000 >= mood.tokensSince
  return typeof id === 'string' && isCurrent && accounts.has(id) ? id : undefined
}

async function memberOf (issuer: Issuer, token: string): Promise<string | undefined> {
  return token === '' ? undefined : await issuer.read(token)
}
