// What is said of a match is sent without leaving the page. Where that fails, the form goes the usual way.
for (const form of document.querySelectorAll("form.said")) {
  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button) return;
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form, button));
    try {
      const answer = await fetch(form.action, { method: "POST", body: data, redirect: "manual" });
      if (answer.type !== "opaqueredirect" && !answer.ok) throw new Error("refused");
    } catch {
      const kind = document.createElement("input");
      [kind.type, kind.name, kind.value] = ["hidden", "kind", button.value];
      form.append(kind);
      form.submit();
      return;
    }
    for (const other of form.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
  });
}
