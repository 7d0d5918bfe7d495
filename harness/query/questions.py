"""Ready questions about finished runs, in SQL over the views of `harness.query.views`.

Each question keeps runs of different cohorts apart, because their taus cannot be compared. Runs that diverged have no
tau and are left out of all means; the question `lost` names them.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from textwrap import dedent

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted


@dataclass(frozen=True)
class Question:
    """A question that has a name."""

    name: str
    what: str
    """What it answers, and what a reader has to know about its columns."""
    sql: str


def question(name: str) -> Question:
    """The ready question of this name.

    Raises:
        UserError: there is no such question.
    """
    if name in QUESTIONS:
        return QUESTIONS[name]
    near = difflib.get_close_matches(name, QUESTIONS, 1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(f"There is no ready question {quoted(name)}; there are {', '.join(QUESTIONS)}.{hint}")


_OPERATIONS = r"""
    SELECT {columns}, operation,
        sum(uses)::BIGINT AS uses,
        100 * sum(above) / sum(uses) AS over_ranked_percent,
        sum(points) / sum(uses) AS mean_points,
        sum(excess) / sum(uses) AS excess_points
    FROM (
        SELECT * EXCLUDE (arch), unnest(regexp_extract_all(arch, '(\w+)(?:~|'',)', 1)) AS operation
        FROM (
            SELECT cohort, {columns}, arch,
                count(*) AS uses, count(*) FILTER (over_ranked > 0) AS above, sum(over_ranked) AS points,
                sum(over_ranked - (rho - 1) * (true_percentile - 50)) AS excess
            FROM ranks JOIN runs USING (hash) JOIN changes USING (hash) JOIN (
                SELECT hash, CASE WHEN isfinite(rho) THEN rho ELSE 0 END AS rho FROM (
                    SELECT hash, corr(score_percentile, true_percentile) AS rho FROM ranks GROUP BY hash
                )
            ) USING (hash)
            GROUP BY cohort, {columns}, arch
        )
    )
    WHERE operation <> 'out'
    GROUP BY cohort, {columns}, operation
    ORDER BY {columns}, cohort, excess_points DESC
"""

_ALL = (
    Question(
        "effects",
        "Effect of each change on tau, from the reports of studies: its mean over seeds minus that of the base, with "
        "simultaneous 95 % intervals, the p-value corrected by Dunnett's method, and q for screening. Studies without "
        "a report are not included; `supernet study report` writes it.",
        """
        SELECT study, space, truth_dataset, heuristic, value, seeds, base_seeds, effect, low, high, p_dunnett, q,
        verdict
        FROM effects WHERE verdict <> 'base' ORDER BY study, effect DESC NULLS LAST, heuristic, value
        """,
    ),
    Question(
        "best",
        "The twenty runs of each cohort with the highest tau.",
        """
        SELECT space, truth_dataset, change, seed, kendall_tau, tau_top_10, regret_1, supernet_accuracy, hash
        FROM runs JOIN changes USING (hash) JOIN measures USING (hash)
        WHERE kendall_tau IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY cohort ORDER BY kendall_tau DESC, hash) <= 20
        ORDER BY space, truth_dataset, cohort, kendall_tau DESC, hash
        """,
    ),
    Question(
        "cost",
        "Runs by what they cost, the most expensive first: seconds and images of training and of scoring.",
        """
        SELECT space, change, seed, state, train_seconds + score_seconds AS seconds, train_seconds, score_seconds,
            train_images, score_images, device, hash
        FROM runs JOIN changes USING (hash)
        ORDER BY seconds DESC, hash
        """,
    ),
    Question(
        "seeds",
        "How much tau depends on the seed, per setting: mean, standard deviation and extremes over seeds, with the "
        "most variable settings first.",
        """
        SELECT space, truth_dataset, change, count(*) AS seeds, avg(kendall_tau) AS mean_tau,
            stddev_samp(kendall_tau) AS sd, min(kendall_tau) AS min_tau, max(kendall_tau) AS max_tau
        FROM runs JOIN changes USING (hash) JOIN measures USING (hash)
        WHERE kendall_tau IS NOT NULL
        GROUP BY cohort, space, truth_dataset, setting, change
        ORDER BY sd DESC NULLS LAST, space, truth_dataset, change
        """,
    ),
    Question(
        "free",
        "What changes tau without any training, as a mean of differences within runs: loss minus accuracy as the "
        "score, all images minus the first quarter of them, and recalibrated statistics of batch norm in scoring minus "
        "those of each batch (on a sample of the architectures, in runs of studies that ask for it); null where no run "
        "has it.",
        """
        SELECT space, truth_dataset, change, count(*) AS seeds, avg(kendall_tau) AS mean_tau,
            avg(negative_loss_tau - accuracy_tau) AS loss_less_accuracy,
            avg(kendall_tau - quarter_tau) AS all_less_quarter,
            avg(bn_recalibrate_tau - bn_batch_tau) AS recalibrate_less_batch
        FROM runs JOIN changes USING (hash) JOIN measures USING (hash)
        WHERE kendall_tau IS NOT NULL
        GROUP BY cohort, space, truth_dataset, setting, change
        ORDER BY space, truth_dataset, cohort, change
        """,
    ),
    Question(
        "architectures",
        "The twenty most over-ranked architectures of each cohort: predicted minus true percentile, as mean and "
        "extremes over its runs.",
        """
        SELECT space, truth_dataset, arch, count(*) AS runs, avg(over_ranked) AS mean_points,
            min(over_ranked) AS min_points, max(over_ranked) AS max_points, avg(true_percentile) AS true_percentile,
            any_value(true_accuracy) AS true_accuracy, any_value(params) AS params
        FROM ranks JOIN runs USING (hash)
        GROUP BY cohort, space, truth_dataset, arch
        QUALIFY row_number() OVER (PARTITION BY cohort ORDER BY mean_points DESC, arch) <= 20
        ORDER BY space, truth_dataset, cohort, mean_points DESC, arch
        """,
    ),
    Question(
        "operations",
        "How often each operation is over-ranked: the percentage of its uses, in all architectures and runs, that are "
        "in architectures ranked above their true place; by how many percentile points on average; and by how many "
        "more than regression to the mean explains, as in reports.",
        _OPERATIONS.format(columns="space, truth_dataset"),
    ),
    Question(
        "operations-by-change",
        "The figures of the question operations, for each setting.",
        _OPERATIONS.format(columns="space, truth_dataset, change"),
    ),
    Question(
        "accuracy",
        "Settings by mean super-net accuracy, with their tau and the places of both (1 is highest).",
        """
        WITH settings AS (
            SELECT cohort, space, truth_dataset, change, count(*) AS seeds,
                avg(supernet_accuracy) AS accuracy, avg(kendall_tau) AS tau
            FROM runs JOIN changes USING (hash) JOIN measures USING (hash)
            WHERE kendall_tau IS NOT NULL
            GROUP BY cohort, space, truth_dataset, setting, change
        )
        SELECT space, truth_dataset, change, seeds, accuracy AS supernet_accuracy, tau AS mean_tau,
            rank() OVER (PARTITION BY cohort ORDER BY accuracy DESC) AS place_by_accuracy,
            rank() OVER (PARTITION BY cohort ORDER BY tau DESC) AS place_by_tau
        FROM settings ORDER BY space, truth_dataset, cohort, place_by_accuracy, change
        """,
    ),
    Question(
        "proxy",
        "Whether settings with more accurate super-nets rank better: correlation of mean super-net accuracy with mean "
        "tau over the settings of a cohort (null for fewer than three).",
        """
        WITH settings AS (
            SELECT cohort, space, truth_dataset, avg(supernet_accuracy) AS accuracy, avg(kendall_tau) AS tau
            FROM runs JOIN measures USING (hash)
            WHERE kendall_tau IS NOT NULL
            GROUP BY cohort, space, truth_dataset, setting
        ), places AS (
            SELECT *,
                percent_rank() OVER (PARTITION BY cohort ORDER BY accuracy)
                    - percent_rank() OVER (PARTITION BY cohort ORDER BY accuracy DESC) AS accuracy_place,
                percent_rank() OVER (PARTITION BY cohort ORDER BY tau)
                    - percent_rank() OVER (PARTITION BY cohort ORDER BY tau DESC) AS tau_place
            FROM settings
        )
        SELECT space, truth_dataset, count(*) AS settings,
            CASE WHEN count(*) > 2 THEN corr(accuracy, tau) END AS pearson,
            CASE WHEN count(*) > 2 THEN corr(accuracy_place, tau_place) END AS spearman
        FROM places GROUP BY cohort, space, truth_dataset ORDER BY space, truth_dataset, cohort
        """,
    ),
    Question(
        "params",
        "Each setting against parameter count: mean tau, tau of parameter count on the same architectures, their "
        "difference, runs that rank better than it, and Spearman's correlation of the scores with parameter count.",
        """
        WITH places AS (
            SELECT hash, score_percentile,
                percent_rank() OVER (PARTITION BY hash ORDER BY params)
                    - percent_rank() OVER (PARTITION BY hash ORDER BY params DESC) AS params_place
            FROM ranks
        ), alike AS (
            SELECT hash, corr(score_percentile, params_place) AS likeness FROM places GROUP BY hash
        )
        SELECT space, truth_dataset, change, count(*) AS seeds, avg(kendall_tau) AS mean_tau,
            avg(params_tau) AS params_tau, avg(kendall_tau - params_tau) AS difference,
            count(*) FILTER (kendall_tau > params_tau) AS better, avg(likeness) AS score_with_params
        FROM runs JOIN changes USING (hash) JOIN measures USING (hash) LEFT JOIN alike USING (hash)
        WHERE kendall_tau IS NOT NULL
        GROUP BY cohort, space, truth_dataset, setting, change
        ORDER BY space, truth_dataset, cohort, difference DESC
        """,
    ),
    Question(
        "lost",
        "Runs that diverged, and runs whose last attempt failed (only their hash is known), with the reason.",
        """
        SELECT state, space, change, seed, hash, problem FROM runs JOIN changes USING (hash) WHERE state <> 'done'
        UNION ALL
        SELECT 'failed', NULL, NULL, NULL, hash, problem FROM failures
        ORDER BY state, hash
        """,
    ),
)

QUESTIONS = {q.name: Question(q.name, q.what, dedent(q.sql).strip()) for q in _ALL}
"""Name -> question."""
