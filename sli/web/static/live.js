// Keeps the page fresh without losing what is open. Without this script the page reloads itself.
"use strict";
(() => {
  const every = Number(document.body.dataset.refresh) * 1000;
  const note = document.querySelector(".stale");

  const busy = () => {
    const at = document.activeElement;
    return at && at.closest("form") !== null;
  };

  const replace = (next) => {
    const open = [...document.querySelectorAll("details[open]")].map((d) => d.id);
    const focus = document.activeElement && document.activeElement.closest("details");
    document.querySelector("main").replaceWith(next.querySelector("main"));
    document.querySelector(".fresh").replaceWith(next.querySelector(".fresh"));
    for (const id of open) {
      const d = document.getElementById(id);
      if (d) d.open = true;
    }
    if (focus) {
      const d = document.getElementById(focus.id);
      if (d) d.querySelector("summary").focus({ preventScroll: true });
    }
  };

  const refresh = async () => {
    if (document.hidden || busy()) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (!answer.ok) throw new Error(String(answer.status));
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      note.textContent = "";
    } catch {
      // Old figures must not pass for new ones.
      note.textContent = "not updating: no answer from Gaikei";
    }
  };

  const loop = async () => {
    await refresh();
    setTimeout(loop, every);
  };
  setTimeout(loop, every);
  document.addEventListener("visibilitychange", refresh);
})();
