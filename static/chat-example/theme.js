// Light, dark, or as the system says. Not a module, and loaded before the
// page is drawn, so that it never flashes in the other colours.
(() => {
  const KEY = 'parlance-theme';
  const COLOURS = { light: '#ffffff', dark: '#14161b' };

  function show(choice) {
    const root = document.documentElement;
    if (choice === 'light' || choice === 'dark') root.dataset.theme = choice;
    else delete root.dataset.theme;
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
      meta.content = COLOURS[root.dataset.theme] ?? COLOURS[meta.media.includes('dark') ? 'dark' : 'light'];
    }
  }

  window.theme = {
    get choice() { return localStorage.getItem(KEY) ?? 'system'; },
    set choice(next) {
      localStorage.setItem(KEY, next);
      show(next);
    },
  };
  show(window.theme.choice);
})();
