// Tries a live camera without leaving the form, so that the password need not be typed again.
const form = document.getElementById("camera");
const there = document.getElementById("tried");
const button = form.querySelector("[formaction]");

button.addEventListener("click", async (event) => {
  event.preventDefault();
  if (!form.reportValidity()) return;
  button.disabled = true;
  there.replaceChildren(Object.assign(document.createElement("p"), { textContent: "Connecting…", className: "note" }));
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(button.formAction, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const came = page.getElementById("tried") ?? page.getElementById("content");
    there.replaceChildren(...came.childNodes);
    there.querySelector(".again")?.remove();
  } catch {
    there.textContent = "The server does not answer.";
  }
  button.disabled = false;
});
