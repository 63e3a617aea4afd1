// The connection: pictures and notes come in, one short answer goes out for every picture that was dealt with.

const SILENT_MS = 8000; // the device speaks at least every second, whatever its camera does
const WAIT_MS = [500, 1000, 2000, 4000];

/** Split one binary message: 4 bytes length (little endian), so many bytes of JSON, and a JPEG or nothing. */
export function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const rest = buffer.byteLength - 4 - length;
  return { head, jpeg: rest > 0 ? new Blob([new Uint8Array(buffer, 4 + length)], { type: "image/jpeg" }) : null };
}

/**
 * Watch until the page goes. onPicture(head, jpeg) may return a promise: the next picture waits for it.
 * onNote(kind, content), onState("wait" | "live" | "lost").
 */
export function watch({ onPicture, onNote, onState }) {
  let socket = null, failures = 0, heard = 0, timer = 0;

  function open() {
    clearTimeout(timer);
    if (socket !== null || document.hidden) return; // nobody looks: the device need not encode pictures
    const own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    let busy = Promise.resolve();
    own.binaryType = "arraybuffer";
    socket = own;
    heard = performance.now();
    own.onopen = () => { failures = 0; onState("live"); };
    own.onmessage = ({ data }) => {
      heard = performance.now();
      if (typeof data === "string") {
        for (const [kind, content] of Object.entries(JSON.parse(data))) onNote(kind, content);
        return;
      }
      busy = busy.then(async () => {
        const { head, jpeg } = parse(data);
        await onPicture(head, jpeg);
      }).catch((error) => console.error(error)).then(() => {
        if (own.readyState === WebSocket.OPEN) own.send("ok");
      });
    };
    own.onclose = () => lost(own);
  }

  function lost(which) {
    if (socket !== which) return;
    socket = null;
    if (document.hidden) return;
    onState(failures === 0 ? "wait" : "lost");
    timer = setTimeout(open, WAIT_MS[Math.min(failures++, WAIT_MS.length - 1)]);
  }

  function hang() {
    const old = socket;
    old?.close(); // may take long to be confirmed
    if (old !== null) lost(old);
  }

  setInterval(() => {
    if (socket !== null && performance.now() - heard > SILENT_MS) hang();
  }, 1000);
  document.addEventListener("visibilitychange", () => (document.hidden ? hang() : open()));
  open();
}
