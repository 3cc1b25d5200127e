// A job's progress as it goes on. When it has ended, the page is loaded again and says what came of it.
const grouped = new Intl.NumberFormat("en");

function show(list, tasks) {
  tasks.forEach(({ task, done, total }, place) => {
    let item = list.children[place];
    if (!item) {
      item = document.createElement("li");
      const name = Object.assign(document.createElement("span"), { className: "task" });
      const count = Object.assign(document.createElement("span"), { className: "count" });
      item.append(name, " ", count, document.createElement("progress"));
      list.append(item);
    }
    item.querySelector(".task").textContent = task;
    const of = total ? ` of ${grouped.format(total)}` : "";
    item.querySelector(".count").textContent = grouped.format(done) + of;
    const bar = item.querySelector("progress");
    bar.setAttribute("aria-label", task);
    if (total) {
      bar.max = total;
      bar.value = Math.min(done, total);
    } else {
      bar.removeAttribute("value");
    }
  });
  while (list.children.length > tasks.length) list.lastChild.remove();
}

for (const list of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(list.dataset.events);
  let status = null;
  source.addEventListener("message", (event) => {
    if (!event.data) return;
    const job = JSON.parse(event.data);
    if (status !== null && job.status !== status) location.reload();
    status = job.status;
    show(list, job.tasks);
  });
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
}
