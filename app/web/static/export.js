// While a zip comes, its page says how far it is. The browser itself takes the zip, and the form works without this.
const form = document.querySelector("form#export");
const [button, sending, words, bar] = ["button", ".sending", ".said", "progress"].map((found) => form.querySelector(found));
const EVERY = 500; // ms between two looks
const PATIENCE = 20; // looks until it should have begun
const grouped = new Intl.NumberFormat("en");
let ended = null; // when the one that ended last began

async function look() {
  const answer = await fetch(`${form.action}.json`).catch(() => null);
  return answer?.ok ? answer.json() : null;
}

function said(now) {
  if (now.broken) return "It broke off. What came of it is not whole: ask for it again.";
  if (now.sha256) {
    const without = now.without_clip ? ` ${grouped.format(now.without_clip)} without a clip: the report says why.` : "";
    return `The zip is whole: ${(now.size / 1e6).toFixed(1)} MB, SHA-256 ${now.sha256}.${without}`;
  }
  return now.total ? `${grouped.format(now.done)} of ${grouped.format(now.total)} tracklets exported` : "It begins";
}

function show(now) {
  words.textContent = said(now);
  bar.hidden = now.broken || now.sha256 !== null;
  bar.max = now.total ?? 1;
  if (now.total) bar.value = now.done;
  else bar.removeAttribute("value");
}

async function follow() {
  sending.hidden = false;
  button.disabled = true;
  let begun = false;
  for (let looks = 0; begun || looks < PATIENCE; looks++) {
    const now = await look();
    if (begun && !now) break; // the server was started anew, or the session ended
    if (now && now.began !== ended) {
      begun = true;
      show(now);
      if (bar.hidden) {
        ended = now.began;
        break;
      }
    }
    await new Promise((later) => setTimeout(later, EVERY));
  }
  button.disabled = false;
}

form.addEventListener("submit", () => setTimeout(follow));
const before = await look();
if (before && (before.broken || before.sha256)) ended = before.began;
else if (before) follow(); // it is under way, and this page was loaded again
