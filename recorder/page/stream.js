// Server-sent events by fetch: unlike EventSource it can send the token in a header.

const LONGEST_WAIT = 10;
const SILENT = 8; // seconds; the recorder speaks each second

export class Stream {
  constructor({ onEvent, onState, onTokenAsked }) {
    Object.assign(this, { onEvent, onState, onTokenAsked });
    this.attempt = 0;
    this.refused = false;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()));
  }

  start(token = sessionStorage.getItem("homeiq-token")) {
    this.stop();
    this.token = token;
    this.abort = new AbortController();
    this.#listen(this.abort.signal);
  }

  stop() {
    this.abort?.abort();
    clearTimeout(this.timer);
  }

  async #listen(signal) {
    let why = "the recorder does not answer";
    try {
      const headers = this.token ? { Authorization: `Bearer ${utf8(this.token)}` } : {};
      const response = await fetch("live", { headers, signal, cache: "no-store", credentials: "omit" });
      if (response.status === 401) return this.#askForToken();
      if (!response.ok) throw new Error((await response.json()).error);
      if (this.token) sessionStorage.setItem("homeiq-token", this.token);
      await this.#read(response.body.pipeThrough(new TextDecoderStream()).getReader(), signal);
      why = "the recorder has ended the connection";
    } catch (error) {
      if (signal.aborted && !this.silent) return;
      if (error instanceof Error && error.name === "Error") why = error.message;
    }
    this.silent = false;
    const wait = Math.min(LONGEST_WAIT, 2 ** Math.min(this.attempt, 4) * (0.5 + Math.random() / 2));
    this.attempt += 1;
    this.onState("away", why);
    this.timer = setTimeout(() => this.start(this.token), wait * 1000);
  }

  async #read(reader, signal) {
    let text = "";
    while (!signal.aborted) {
      const silence = setTimeout(() => { this.silent = true; this.abort.abort(); }, SILENT * 1000);
      const { value, done } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
        if (name) this.onEvent(name, JSON.parse(data));
      }
      this.attempt = 0;
      this.onState("live", "");
    }
  }

  #askForToken() {
    const wrong = Boolean(this.token);
    sessionStorage.removeItem("homeiq-token");
    this.onState("token", "");
    this.onTokenAsked(wrong);
  }
}

// A header holds bytes: what is not ASCII goes as UTF-8, which is what the recorder compares.
function utf8(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
