/**
 * Watches how long the event loop is held at most; call the answer to end it and learn how long, in milliseconds.
 * Of the thread's own work, so that a busy machine does not count.
 */
export function watchLoop (): () => number {
  let longest = 0
  let last = workedMs()
  const note = () => {
    const now = workedMs()
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(note, 1)
  return () => {
    clearInterval(timer)
    note()
    return longest
  }
}

function workedMs (): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
