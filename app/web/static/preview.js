// A match that is pointed at, or has the focus, shows its tracklet moving. Without this script its pictures stand still.
const STEP = 180; // ms
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

function moving(match, address, count) {
  const image = match.querySelector(".crops img");
  if (!image || count < 2) return;
  const still = image.src;
  const pictures = [];
  let timer = 0;

  function start() {
    if (timer || reduced.matches) return;
    let at = 0;
    timer = setInterval(() => {
      if (pictures.length < count) {
        const next = new Image();
        next.src = `${address}${pictures.length}.jpg`;
        pictures.push(next);
      }
      const loaded = pictures.filter((picture) => picture.complete && picture.naturalWidth);
      if (loaded.length > 1) image.src = loaded[(at += 1) % loaded.length].src;
    }, STEP);
    image.classList.add("moving");
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    image.src = still;
    image.classList.remove("moving");
  }

  match.addEventListener("mouseenter", start);
  match.addEventListener("mouseleave", stop);
  match.addEventListener("focusin", start);
  match.addEventListener("focusout", (event) => match.contains(event.relatedTarget) || stop());
}

for (const does of document.querySelectorAll(".does[data-moving]")) {
  moving(does.closest(".match"), does.dataset.moving, Number(does.dataset.pictures));
}
