/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNTrainingLog_h
#define itkNNTrainingLog_h

#include "UniverSegTrainingExport.h"

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** What was measured at a step of a training. \ingroup UniverSegTraining */
struct TrainingLogEntry
{
  std::int64_t step = 0;                ///< number of steps done
  std::map<std::string, double> values; ///< "loss", "learning-rate", "seconds", "validation-dice" and others
};

/** \class TrainingLog
 * \brief Measures of a training as a file of JSON lines: one object a line with the
 * step and the values. What is no finite number is written as null.
 *
 * Each line is handed to the operating system when it is written. A last line that
 * was cut off is ignored when reading, and removed when a log is continued.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT TrainingLog
{
public:
  /** Begin a log, or continue one: lines of later steps are removed from the file
   * when it is there. Throws Error when it cannot be read or written, or is no log.
   * \param lastStep of the checkpoint that the training goes on from; 0 to begin
   * anew. */
  explicit TrainingLog(std::string fileName, std::int64_t lastStep = 0);

  /** Add a line. Throws Error that names the file when it cannot be written, or the
   * step is below that of the line before. */
  void Append(const TrainingLogEntry & entry);

  /** All lines of a file; null is not a number. Throws Error that names the file
   * and the line when it is no log, and when it has more than 1 GiB. */
  static std::vector<TrainingLogEntry> Read(const std::string & fileName);

private:
  std::string m_FileName;
  std::ofstream m_File;
  std::int64_t m_LastStep = 0;
};

/** Draw the loss, as it is and smoothed, and the validation score (0 to 1) over the
 * steps into a PNG file of 960 x 640 pixels. Throws Error that names the file when
 * it cannot be written.
 * \param loss,score names of the values.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void WriteTrainingCurves(const std::vector<TrainingLogEntry> & entries,
                                                  const std::string & fileName,
                                                  const std::string & loss = "loss",
                                                  const std::string & score = "validation-dice");
} // namespace nn
} // namespace itk

#endif
