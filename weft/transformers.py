"""`import weft.transformers`: the Auto classes of transformers know what `weft export-model` wrote.

    import weft.transformers
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained("exported")

Without weft the same folder loads with `trust_remote_code=True`.
"""

from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from model.exported.config import WeftConfig as WeftConfig
from model.exported.network import WeftForConditionalGeneration as WeftForConditionalGeneration
from model.exported.processor import WeftProcessor as WeftProcessor

AutoConfig.register(WeftConfig.model_type, WeftConfig, exist_ok=True)
AutoModel.register(WeftConfig, WeftForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(WeftConfig, WeftForConditionalGeneration, exist_ok=True)
AutoProcessor.register(WeftConfig, WeftProcessor, exist_ok=True)
