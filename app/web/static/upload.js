// Sends a film piece by piece. What has come stays there, so choosing the same file again goes on where it stopped.
import { onDrop } from "./drop.js";

const form = document.querySelector("form#upload");
const PIECE = 8 * 1024 * 1024;
const TRIES = 5;

class Refused extends Error {}

async function ask(path, options = {}) {
  const headers = { "x-sightline-key": form.elements.key.value, ...options.headers };
  const answer = await fetch(`/api/v1/footage/uploads${path}`, { ...options, headers });
  const type = answer.headers.get("content-type") ?? "";
  const said = type.includes("json") ? await answer.json() : { detail: await answer.text() };
  if (!answer.ok && answer.status !== 409) throw new Refused([said.title, said.detail].filter(Boolean).join(". "));
  return { ok: answer.ok, said };
}

async function announced(file, camera, start) {
  const earlier = (await ask("")).said.find(
    (one) => one.state === "coming" && one.name === file.name && one.size === file.size && one.camera === camera,
  );
  if (earlier) return earlier;
  const film = { camera, name: file.name, size: file.size, start, modified: file.lastModified / 1000 };
  const headers = { "content-type": "application/json" };
  return (await ask("", { method: "POST", headers, body: JSON.stringify(film) })).said;
}

async function send(file, upload, told) {
  let offset = upload.offset;
  let failures = 0;
  while (offset < file.size) {
    told(offset);
    try {
      const headers = { "upload-offset": String(offset), "content-type": "application/octet-stream" };
      const body = file.slice(offset, offset + PIECE);
      const { ok, said } = await ask(`/${upload.id}`, { method: "PATCH", headers, body });
      offset = ok ? said.offset : (await ask(`/${upload.id}`)).said.offset;
      failures = 0;
    } catch (error) {
      if (error instanceof Refused || ++failures === TRIES) throw error;
      await new Promise((later) => setTimeout(later, 1000 * failures));
    }
  }
  told(offset);
  return (await ask(`/${upload.id}/finish`, { method: "POST" })).said;
}

function seconds(text) {
  if (!text) return null;
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const time = Date.parse(hasZone ? text : `${text.length <= 10 ? `${text}T00:00` : text}Z`);
  if (Number.isNaN(time)) throw new Refused("The start is no time. Write it like 2026-11-20T14:30:05.");
  return time / 1000;
}

if (form) {
  const [button, sending, wrong] = ["button", ".sending", ".wrong"].map((found) => form.querySelector(found));
  const bar = form.querySelector("progress");
  const words = form.querySelector(".said");
  onDrop(form, (files) => (form.elements.film.files = files));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.elements.film.files[0];
    button.disabled = true;
    wrong.hidden = true;
    sending.hidden = false;
    const told = (offset) => {
      bar.value = offset / file.size;
      words.textContent = `${(offset / 1e6).toFixed(1)} of ${(file.size / 1e6).toFixed(1)} MB sent`;
    };
    try {
      const upload = await announced(file, form.elements.camera.value.trim(), seconds(form.elements.start.value.trim()));
      const done = await send(file, upload, told);
      location.assign(form.dataset.then ? form.dataset.then + done.job : "/footage");
    } catch (error) {
      sending.hidden = true;
      wrong.hidden = false;
      const broken = "The connection broke. Send it again: it goes on where it stopped.";
      wrong.textContent = error instanceof Refused ? error.message : broken;
      button.disabled = false;
    }
  });
}
