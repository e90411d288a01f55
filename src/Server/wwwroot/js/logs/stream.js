const WAIT = [500, 1000, 2000, 4000, 8000];

/** Reads the server's NDJSON; connects again after what came last, until it is closed. */
export class LogStream {
  #abort = null;
  #closed = false;

  constructor(address, onLine, onState) {
    this.address = address;
    this.onLine = onLine;
    this.onState = onState;
  }

  /** `query(resume)` gives the parameters; `after` is asked for on each connection. */
  async run(query, follow, after) {
    for (let failures = 0; !this.#closed;) {
      this.onState(failures === 0 ? "connecting" : "reconnecting");
      let lines = 0;
      try {
        this.#abort = new AbortController();
        const url = new URL(this.address, document.baseURI);
        for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
        if (follow) url.searchParams.set("follow", "true");
        const last = after();
        if (last > 0) { url.searchParams.set("after", last); url.searchParams.delete("tail"); }
        const response = await fetch(url, { signal: this.#abort.signal, headers: { accept: "application/x-ndjson" }, cache: "no-store" });
        if (response.status === 401 || response.status === 403) { this.onState("refused"); return; }
        if (response.status === 404) { this.onState("none"); return; }
        if (!response.ok) throw new Error(String(response.status));
        this.onState(follow ? "live" : "reading");
        lines = await this.#read(response.body);
        failures = 0;
        if (!follow) { this.onState("ended"); return; }
        this.onState("ended"); // the run is over; a new run may come
      } catch {
        if (this.#closed) return;
        this.onState("reconnecting");
      }
      if (lines > 0) failures = 0;
      await new Promise(done => setTimeout(done, WAIT[Math.min(failures++, WAIT.length - 1)]));
    }
  }

  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", count = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return count;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) {
        if (part === "") continue; // sign of life
        try { this.onLine(JSON.parse(part)); count++; } catch { /* half a line of a broken connection comes again whole */ }
      }
    }
  }

  close() {
    this.#closed = true;
    this.#abort?.abort();
  }
}
