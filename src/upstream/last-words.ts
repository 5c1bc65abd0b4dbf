import type { Socket } from 'node:net'

type Done = (error?: Error | null) => void

/**
 * A backend that refuses an upload early often closes without reading the rest. Our next write then fails,
 * while its answer already lies in the receive buffer. This lets that answer be read before the failed
 * write ends the connection; without it the client would get a 502 instead of the backend's 413.
 */
export function readLastWords (socket: Socket): void {
  const write = socket._write.bind(socket)
  socket._write = (chunk, encoding, done) => { write(chunk, encoding, lateFailure(done)) }
  const writev = socket._writev?.bind(socket)
  if (writev !== undefined) socket._writev = (chunks, done) => { writev(chunks, lateFailure(done)) }
}

function lateFailure (done: Done): Done {
  return (error) => {
    // Twice: between two immediates the event loop certainly polls, and what came before the reset is read.
    if (error instanceof Error) setImmediate(() => { setImmediate(done, error) })
    else done(error)
  }
}
