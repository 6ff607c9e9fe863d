"""What is wrong with a run: evidence in plain numbers, rules over it, findings in words."""

from keras_dlnotes.diagnosis.assemble import (
    described,
    evidence_of,
    flat_inputs,
    with_predictions,
)
from keras_dlnotes.diagnosis.compiled_facts import loss_gets_targets
from keras_dlnotes.diagnosis.data_sample import sample_of, sort_keys
from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.explanation import Explanation
from keras_dlnotes.diagnosis.facts import (
    BatchSkill,
    Forecast,
    LabelFacts,
    LayerFacts,
    Leak,
    ModelFacts,
    NormalizationFacts,
    RareClass,
    UnitFacts,
)
from keras_dlnotes.diagnosis.finding import Finding, counted
from keras_dlnotes.diagnosis.findings import (
    DiagnosisError,
    Findings,
    heading_of,
    looked_at,
    report,
)
from keras_dlnotes.diagnosis.forecast import check_steps, forecast
from keras_dlnotes.diagnosis.judge import findings_of
from keras_dlnotes.diagnosis.label_facts import label_facts
from keras_dlnotes.diagnosis.model_copy import (
    CannotCopyError,
    batch_size_of,
    compile_like,
    copy_of,
    metrics_kept,
)
from keras_dlnotes.diagnosis.model_facts import (
    learning_rate_of,
    learning_rates_to_come,
    model_facts,
    symmetric_layers,
    with_output_layer,
)
from keras_dlnotes.diagnosis.non_finite_trace import Origin
from keras_dlnotes.diagnosis.probe import answer_of, as_taken, leaves_of, probe
from keras_dlnotes.diagnosis.run_record import RunRecord
from keras_dlnotes.instrumentation.compiled_settings import optimizer_like

__all__ = [
    "BatchSkill",
    "CannotCopyError",
    "DiagnosisError",
    "Evidence",
    "Explanation",
    "Finding",
    "Findings",
    "Forecast",
    "LabelFacts",
    "LayerFacts",
    "Leak",
    "ModelFacts",
    "NormalizationFacts",
    "Origin",
    "RareClass",
    "RunRecord",
    "UnitFacts",
    "answer_of",
    "as_taken",
    "batch_size_of",
    "check_steps",
    "compile_like",
    "copy_of",
    "counted",
    "described",
    "evidence_of",
    "findings_of",
    "flat_inputs",
    "forecast",
    "heading_of",
    "label_facts",
    "learning_rate_of",
    "learning_rates_to_come",
    "leaves_of",
    "looked_at",
    "loss_gets_targets",
    "metrics_kept",
    "model_facts",
    "optimizer_like",
    "probe",
    "report",
    "sample_of",
    "sort_keys",
    "symmetric_layers",
    "with_output_layer",
    "with_predictions",
]
