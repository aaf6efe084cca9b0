/* The search box: "/" goes there, arrows walk through its suggestions, Enter opens one, Esc leaves.
 *
 * The list itself comes from the server; this file only says which line is meant. Dash draws the
 * masthead anew with every page, so everything is listened to on the document.
 */
(function () {
  'use strict';
  var watched = null;

  function box() { return document.getElementById('search-q'); }
  function list() { return document.getElementById('search-options'); }
  function options() { return list() ? Array.from(list().children) : []; }
  function meant() { return options().findIndex(function (one) { return one.ariaSelected === 'true'; }); }

  function mean(index) {
    options().forEach(function (one, i) { one.ariaSelected = String(i === index); });
    var one = options()[index];
    if (one) {
      box().setAttribute('aria-activedescendant', one.id);
      one.scrollIntoView({block: 'nearest'});
    } else box().removeAttribute('aria-activedescendant');
  }
  function open(yes) {
    var shown = yes && options().length > 0;
    box().closest('form').classList.toggle('open', shown);
    box().setAttribute('aria-expanded', String(shown));
    mean(-1);
  }
  function go(href) {
    open(false);
    history.pushState({}, '', href);
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
    window.scrollTo(0, 0);
  }

  function watch() {
    if (watched === list()) return;
    watched = list();
    new MutationObserver(function () { open(document.activeElement === box()); })
      .observe(watched, {childList: true});
  }

  document.addEventListener('focusin', function (event) {
    if (event.target !== box()) return;
    var field = box();
    field.setAttribute('role', 'combobox');
    field.setAttribute('aria-autocomplete', 'list');
    field.setAttribute('aria-controls', 'search-options');
    watch();
    open(true);
  });
  // the masthead may have been drawn anew between the focus and the letters
  document.addEventListener('input', function (event) { if (event.target === box()) watch(); });
  document.addEventListener('focusout', function (event) {
    if (event.target === box()) open(false);
  });
  document.addEventListener('mousedown', function (event) {  // before the field loses its focus
    if (event.target.closest('.search-option')) event.preventDefault();
  });
  document.addEventListener('click', function (event) {
    var one = event.target.closest('.search-option');
    if (!one || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(one.getAttribute('href'));
  });
  document.addEventListener('keydown', function (event) {
    var field = box(), many = options().length;
    if (!field || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/' && !event.target.closest('input, textarea, select, [contenteditable]')) {
      event.preventDefault();
      field.focus();
      field.select();
    }
    if (event.target !== field) return;
    if (event.key === 'Escape') { open(false); field.blur(); }
    if (event.key === 'Enter' && meant() >= 0) {
      event.preventDefault();
      go(options()[meant()].getAttribute('href'));
    }
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && many) {
      event.preventDefault();
      var next = meant();
      if (!field.closest('form').classList.contains('open')) open(true);
      mean(event.key === 'ArrowDown' ? (next + 1) % many : (next <= 0 ? many : next) - 1);
    }
  });
})();
