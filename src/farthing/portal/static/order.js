// Looks again at an order that is under way, until it is not: the server says how it stands and when to look next.
const RETRY_S = 15;

async function look() {
  const main = document.querySelector("main");
  let wait = RETRY_S;
  try {
    const answer = await fetch(location.href);
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main[data-status]");
      if (!fresh) return location.reload();
      if (fresh.dataset.status !== main.dataset.status) {
        main.replaceChildren(...fresh.childNodes);
        main.dataset.status = fresh.dataset.status;
        document.title = page.title;
      }
      if (!fresh.dataset.lookAgainS) return;
      wait = Number(fresh.dataset.lookAgainS);
    } else if (answer.status < 500) {
      return location.reload();
    }
  } catch {
    // No connection: look again later.
  }
  setTimeout(look, wait * 1000);
}

setTimeout(look, Number(document.querySelector("main").dataset.lookAgainS) * 1000);
