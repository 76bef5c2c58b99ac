# ==========================================================================
#
#   Copyright itk-universeg developers
#
#   Licensed under the Apache License, Version 2.0 (the "License");
#   you may not use this file except in compliance with the License.
#   You may obtain a copy of the License at
#
#          https://www.apache.org/licenses/LICENSE-2.0.txt
#
#   Unless required by applicable law or agreed to in writing, software
#   distributed under the License is distributed on an "AS IS" BASIS,
#   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
#   See the License for the specific language governing permissions and
#   limitations under the License.
#
# ==========================================================================*/
"""Run by itk when it is imported, so it does next to nothing."""

import sys

import itk_universeg

_itk = sys.modules["itk"]
_itk.universeg_segment = itk_universeg.segment
_itk.universeg_support_set = itk_universeg.support_set
_itk.universeg_model = itk_universeg.model
