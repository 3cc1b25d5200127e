// A picture that is dropped on the form, or pasted anywhere on the page, goes the same way as one that is chosen.
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
  for (const name of ["dragenter", "dragover"]) {
    form.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    send(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => send(event.clipboardData.files));
}
