// Ctrl-C and SIGTERM end what would go on for ever, and that is no failure.

/** Runs the work until its end or until the person ends it. */
export async function interrupted(work) {
  const stop = new AbortController();
  const end = () => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end);
  try { await work(stop.signal); } catch (error) { if (!stop.signal.aborted) throw error; } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, end);
  }
}
