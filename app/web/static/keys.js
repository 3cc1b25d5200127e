// Keys that walk through the matches. None of them counts while somebody types, or with Ctrl, Alt or Meta.
const matches = [...document.querySelectorAll(".match")];
const dialog = document.querySelector("#keys");
const hint = document.querySelector(".keys-hint");
const words = document.querySelector("input[name=words]");

function step(by) {
  const at = matches.indexOf(document.activeElement?.closest(".match"));
  const next = at < 0 ? (by > 0 ? 0 : matches.length - 1) : Math.min(Math.max(at + by, 0), matches.length - 1);
  matches[next]?.focus();
  matches[next]?.scrollIntoView({ block: "nearest" });
}

function follow(start, end) {
  const links = [...(document.activeElement?.closest(".match")?.querySelectorAll("a") ?? [])];
  links.find((link) => link.pathname.startsWith(start) && link.pathname.endsWith(end))?.click();
}

function say(kind) {
  document.activeElement?.closest(".match")?.querySelector(`form.said button[value=${kind}]`)?.click();
}

const KEYS = {
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  s: () => follow("/tracklets/", "/search"),
  1: () => say("join"),
  2: () => say("split"),
  3: () => say("unsure"),
  "/": () => words?.focus(),
  "?": () => dialog.showModal(),
};

for (const match of matches) match.tabIndex = -1;
if (hint) {
  hint.hidden = false;
  hint.querySelector("button").addEventListener("click", () => dialog.showModal());
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || dialog.open) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (event.key === "Enter" && event.target.matches(".match")) {
    event.target.querySelector(".links a")?.click(); // its moment stands first
  } else if (Object.hasOwn(KEYS, event.key)) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
