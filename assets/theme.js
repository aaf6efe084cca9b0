/* Light or dark, decided before the first paint: the page loads this file in its head.
 *
 * What the address says (?theme=light) wins while this document lives, then what the reader chose
 * with the button, then the system. The wall is dark unless its own address says light.
 */
(function () {
  'use strict';
  var root = document.documentElement;
  var system = window.matchMedia('(prefers-color-scheme: light)');
  var asked = null;

  function known(name) { return name === 'light' || name === 'dark' ? name : null; }
  function chosen() {
    try { return known(localStorage.getItem('theme')); } catch (refused) { return null; }
  }
  function decide() {
    var said = known(new URLSearchParams(location.search).get('theme'));
    asked = said || asked;
    var wall = location.pathname === '/wall';
    var name = wall ? said || 'dark' : asked || chosen() || (system.matches ? 'light' : 'dark');
    if (root.dataset.theme !== name) root.dataset.theme = name;
  }
  function turn() {
    var name = root.dataset.theme === 'light' ? 'dark' : 'light';
    var address = new URL(location.href);
    asked = null;
    if (address.searchParams.has('theme')) {
      address.searchParams.delete('theme');
      history.replaceState(history.state, '', address);
    }
    try { localStorage.setItem('theme', name); } catch (refused) { asked = name; }
    decide();
  }
  decide();
  system.addEventListener('change', decide);
  ['popstate', '_dashprivate_pushstate', 'storage'].forEach(function (event) {
    window.addEventListener(event, decide);
  });
  document.addEventListener('click', function (event) {
    if (event.target.closest && event.target.closest('.theme-button')) turn();
  });
})();
