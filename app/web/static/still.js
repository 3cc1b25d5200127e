// A picture that is dropped on the form, or pasted anywhere on the page, goes the same way as one that is chosen.
import { onDrop } from "./drop.js";

const form = document.querySelector("form.drop");
const input = form?.querySelector("input[type=file]");

function send(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/"));
  if (!pictures.length) return;
  const chosen = new DataTransfer();
  chosen.items.add(pictures[0]);
  input.files = chosen.files;
  form.requestSubmit();
}

if (form && input) {
  input.addEventListener("change", () => input.files.length && form.requestSubmit());
  onDrop(form, send);
  document.addEventListener("paste", (event) => send(event.clipboardData.files));
}
