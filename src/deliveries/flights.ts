import type { ClientConnection } from '../exchange.js'

/** A delivery of this process that has no answer yet. */
export interface Flight {
  readonly bucket: string
  /** Each is told once, when the store knows how it went: true, it was delivered. */
  readonly waiters: Set<(isDelivered: boolean) => void>
}

export interface Flights {
  /** One that has outlived its place stands in nobody's way. */
  open (bucket: string): Flight
  find (bucket: string): Flight | undefined
  end (flight: Flight, isDelivered: boolean): void
}

export function createFlights (): Flights {
  const flights = new Map<string, Flight>()
  return {
    open (bucket) {
      const flight: Flight = { bucket, waiters: new Set() }
      flights.set(bucket, flight)
      return flight
    },
    find: (bucket) => flights.get(bucket),
    end (flight, isDelivered) {
      if (flights.get(flight.bucket) === flight) flights.delete(flight.bucket)
      for (const tell of flight.waiters) tell(isDelivered)
    },
  }
}

/**
 * Waits for a flight's end on behalf of a client; without a flight, for the time alone. Resolves with how it ended,
 * undefined when the time is up or the client has left, and leaves nothing behind.
 */
export function landingOf (
  flight: Flight | undefined, connection: ClientConnection, withinMs: number
): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const end = (isDelivered?: boolean): void => {
      clearTimeout(timer)
      connection.off('close', giveUp)
      flight?.waiters.delete(end)
      resolve(isDelivered)
    }
    const giveUp = (): void => { end() }
    const timer = setTimeout(giveUp, withinMs)
    connection.once('close', giveUp)
    flight?.waiters.add(end)
  })
}
