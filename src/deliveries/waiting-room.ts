/** Who delivers the same again and again, and never gets an answer, must not fill the process with those who wait. */
const MOST_OF_ONE = 100
const MOST = 1000

export interface WaitingRoom {
  /** False: it is full, and nobody has entered. */
  enter (bucket: string): boolean
  leave (bucket: string): void
}

export function createWaitingRoom (): WaitingRoom {
  const numbers = new Map<string, number>()
  let all = 0
  return {
    enter (bucket) {
      const number = numbers.get(bucket) ?? 0
      if (all >= MOST || number >= MOST_OF_ONE) return false
      numbers.set(bucket, number + 1)
      all++
      return true
    },
    leave (bucket) {
      const number = numbers.get(bucket) ?? 0
      if (number > 1) numbers.set(bucket, number - 1)
      else numbers.delete(bucket)
      all--
    },
  }
}
