"""The views that a question in SQL may use, and how they follow from the tables of `harness.query.database`."""

from __future__ import annotations

from collections.abc import Sequence

from supernet.benchmarks.truth.table import GroundTruth

VIEWS = {
    "runs": "a row per finished run: state, recipe (training_learning_rate, …), ground truth, cost, environment; runs "
    "of one `setting` differ in the seed alone; runs of one `cohort` rank the same sample against the same truth",
    "measures": "a row per run that is done, a column per metric: kendall_tau, regret_1 (for regret@1), …",
    "metrics": "the same as rows: hash, name, value; null where a metric is not defined",
    "epochs": "a row per epoch of training, with tau after each of the last epochs",
    "scores": "a row per run, scored epoch and architecture, with its true accuracy; also scores on the first "
    "quarter of the images and, for a sample where a study asks for it, with other statistics of batch norm",
    "ranks": "the scores of the last epoch, by the recipe's metric: percentiles from 0 (worst) to 100 by score and by "
    "truth, and over_ranked, the first minus the second",
    "recipes": "every key of a run except its seed, as text, and `null` for one that it lacks: hash, key, value",
    "effects": "a row per study and setting, from the study's report: tau and its effect against the base, with "
    "intervals, p (also corrected by Dunnett's method), q and a verdict",
    "changes": "how a run differs from the base of its cohort, which is the setting whose values are, key by key, "
    "shared by most settings (among equals, the one with the most runs, then the first by its identifier); `change` "
    "is the name in the report of a study, or lists the keys that differ if there is no report",
    "searches": "a row per search and seed: algorithm, budget, the index of its final pick, and all that it spent",
    "search_steps": "a row per search, seed and step (query or epoch): its pick, what it has spent, and the state of "
    "its super-net",
    "failures": "runs whose last attempt failed: hash, problem",
    "ground_truth": "a row per table, architecture and measure: accuracy in percent; epochs are text, as in '200'",
}
"""Name of a view -> what it holds."""

DEFINITIONS = (
    # The file's column is called true. Without quotes, SQL would silently read that as the truth value.
    """CREATE VIEW scores AS
        SELECT hash, epoch, "index", arch, accuracy, negative_loss, "true" AS true_accuracy, params,
            COLUMNS('^(quarter|bn)_.*') FROM _scores""",
    """CREATE VIEW search_steps AS
        SELECT r.* EXCLUDE (path, state), t.* EXCLUDE (hash) FROM _search_runs AS r JOIN _trace AS t USING (hash)""",
    """CREATE VIEW searches AS
        SELECT r.*, s.* EXCLUDE (hash) FROM _search_runs AS r LEFT JOIN (
            SELECT hash, seed, max(step) AS steps, arg_max(pick, step) AS pick, arg_max(queries, step) AS queries,
                arg_max(seconds, step) AS seconds, arg_max(passes, step) AS passes, arg_max(wall, step) AS wall
            FROM _trace GROUP BY hash, seed
        ) AS s USING (hash)""",
    """CREATE VIEW epochs AS
        SELECT hash, epoch, kendall_tau, loss, accuracy, learning_rate, seconds, images_per_second
        FROM _log FULL JOIN _taus USING (hash, epoch)""",
    # percent_rank gives ties the lowest of their ranks, or the highest when the order is turned round: their mean is
    # the middle rank.
    """CREATE VIEW ranks AS
        WITH last AS (
            SELECT s.hash, s."index", s.arch, s.params, s.true_accuracy,
                CASE r.evaluation_metric WHEN 'loss' THEN s.negative_loss ELSE s.accuracy END AS score
            FROM scores AS s JOIN runs AS r ON r.hash = s.hash AND r.training_epochs = s.epoch
        ), places AS (
            SELECT *,
                50 * (1 + percent_rank() OVER (PARTITION BY hash ORDER BY score)
                    - percent_rank() OVER (PARTITION BY hash ORDER BY score DESC)) AS score_percentile,
                50 * (1 + percent_rank() OVER (PARTITION BY hash ORDER BY true_accuracy)
                    - percent_rank() OVER (PARTITION BY hash ORDER BY true_accuracy DESC)) AS true_percentile
            FROM last
        )
        SELECT *, score_percentile - true_percentile AS over_ranked FROM places""",
    # The sum, over its keys, of the settings that share its value is largest for the setting from which all others
    # together differ in the fewest keys: the base of a study that changes one thing at a time.
    """CREATE VIEW changes AS
        WITH sizes AS (
            SELECT cohort, setting, count(*) AS runs, any_value(hash) AS hash FROM runs GROUP BY cohort, setting
        ), keyed AS (
            SELECT cohort, setting, runs, key, value,
                count(*) OVER (PARTITION BY cohort, key, value) AS sharing
            FROM sizes JOIN recipes USING (hash)
        ), bases AS (
            SELECT cohort, setting AS base FROM keyed GROUP BY cohort, setting, runs
            QUALIFY row_number() OVER (PARTITION BY cohort ORDER BY sum(sharing) DESC, runs DESC, setting) = 1
        ), differing AS (
            SELECT k.cohort, k.setting, count(*) AS keys,
                string_agg(k.key || '=' || k.value, ', ' ORDER BY k.key) AS change
            FROM keyed AS k JOIN bases USING (cohort)
            JOIN keyed AS b ON b.cohort = k.cohort AND b.setting = base AND b.key = k.key AND b.value <> k.value
            GROUP BY k.cohort, k.setting
        ), named AS (
            SELECT cohort, setting, string_agg(DISTINCT setting_label, ' / ' ORDER BY setting_label) AS label
            FROM runs JOIN _labels USING (hash) GROUP BY cohort, setting
        )
        SELECT runs.hash, runs.setting = base AS base, coalesce(keys, 0) AS keys,
            coalesce(label, change, 'base') AS change
        FROM runs JOIN bases USING (cohort) LEFT JOIN differing USING (cohort, setting)
            LEFT JOIN named USING (cohort, setting)""",
)
"""Statements that make the views from the tables runs, recipes, _scores, _log, _taus and _labels."""


def ground_truth(tables: Sequence[GroundTruth]) -> str:
    """The statement that makes the view of these tables, which are registered as _truth_0, _truth_1, …

    It has one SELECT per measure, with the measure as constants, so that a question about one measure reads one column.
    """
    parts = [
        "SELECT NULL::VARCHAR AS table_name, NULL::VARCHAR AS space, NULL::VARCHAR AS key, NULL::VARCHAR AS dataset, "
        "NULL::VARCHAR AS split, NULL::VARCHAR AS epochs, NULL::VARCHAR AS seed, NULL::DOUBLE AS accuracy WHERE false"
    ]
    for number, table in enumerate(tables):
        for m in table.measures:
            about = ", ".join(map(_literal, (m.dataset, m.split, m.epochs, m.seed)))
            accuracy = f"{_quoted(m.column)}::DOUBLE"
            parts.append(
                f"SELECT {_literal(table.path.name)}, {_literal(table.space)}, {_quoted(table.key_column)}, {about}, "
                f"{accuracy} FROM _truth_{number} WHERE NOT isnan({accuracy})"  # null, or not a number: not measured
            )
    return "CREATE VIEW ground_truth AS " + " UNION ALL ".join(parts)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
