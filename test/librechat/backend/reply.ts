import type { Response } from 'express'

/** An object as JSON, a string as it is, nothing as nothing. */
export function reply (response: Response, status: number, body?: object | string): void {
  response.status(status).send(body)
}
